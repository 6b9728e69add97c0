import time
import threading
from dataclasses import dataclass
from typing import Dict, List, Optional

@dataclass
class ModelConfig:
    model_id: str
    required: bool = False
    priority: int = 0  # Higher priority models are loaded first
    memory_mb: int = 0
    preload: bool = False

class ProductionModelManager:
    def __init__(self, base_url="http://localhost:8000"):
        self.base_url = base_url
        self.model_configs = {
            "streaming_asr": ModelConfig(
                model_id="streaming_asr",
                required=True,
                priority=10,
                memory_mb=1256,
                preload=True
            ),
            "punctuation": ModelConfig(
                model_id="punctuation",
                required=False,
                priority=5,
                memory_mb=198,
                preload=False
            )
        }
        self.monitoring_thread = None
        self.monitoring_active = False

    def startup_initialization(self):
        """Initialize models for production deployment"""
        print("🚀 Starting production model initialization...")

        # Load required models first
        required_models = [
            config for config in self.model_configs.values()
            if config.required and config.preload
        ]

        # Sort by priority
        required_models.sort(key=lambda x: x.priority, reverse=True)

        for config in required_models:
            print(f"Loading required model: {config.model_id}")
            if not self._ensure_model_loaded_with_retry(config.model_id):
                print(f"❌ CRITICAL: Failed to load required model {config.model_id}")
                return False

        # Load optional models if memory permits
        optional_models = [
            config for config in self.model_configs.values()
            if not config.required and config.preload
        ]

        if optional_models:
            status = self.get_model_status()
            if status:
                available_memory = status.get('system_info', {}).get('available_memory_gb', 0) * 1024
                used_memory = sum(
                    info.get('memory_usage_mb', 0)
                    for info in status.get('available_models', {}).values()
                    if info.get('loaded', False)
                )

                remaining_memory = available_memory - used_memory

                for config in optional_models:
                    if remaining_memory >= config.memory_mb * 1.2:  # 20% buffer
                        print(f"Loading optional model: {config.model_id}")
                        if self._ensure_model_loaded_with_retry(config.model_id):
                            remaining_memory -= config.memory_mb
                        else:
                            print(f"Warning: Failed to load optional model {config.model_id}")
                    else:
                        print(f"Skipping {config.model_id}: insufficient memory")

        print("✅ Model initialization completed")
        return True

    def _ensure_model_loaded_with_retry(self, model_type, max_retries=3):
        """Ensure model is loaded with retry logic"""
        for attempt in range(max_retries):
            if self.ensure_model_loaded(model_type):
                return True

            if attempt < max_retries - 1:
                wait_time = 2 ** attempt
                print(f"Retrying model load in {wait_time}s... (attempt {attempt + 1})")
                time.sleep(wait_time)

        return False

    def start_monitoring(self):
        """Start background model health monitoring"""
        if self.monitoring_thread and self.monitoring_thread.is_alive():
            print("Model monitoring already active")
            return

        self.monitoring_active = True
        self.monitoring_thread = threading.Thread(target=self._monitor_models)
        self.monitoring_thread.daemon = True
        self.monitoring_thread.start()
        print("Model health monitoring started")

    def stop_monitoring(self):
        """Stop background monitoring"""
        self.monitoring_active = False
        if self.monitoring_thread:
            self.monitoring_thread.join(timeout=5)
        print("Model health monitoring stopped")

    def _monitor_models(self):
        """Background model health monitoring"""
        while self.monitoring_active:
            try:
                status = self.get_model_status()
                if not status:
                    print("Warning: Could not get model status")
                    time.sleep(30)
                    continue

                # Check required models
                for model_id, config in self.model_configs.items():
                    if config.required:
                        model_info = status.get('available_models', {}).get(model_id)
                        if not model_info or not model_info.get('loaded', False):
                            print(f"⚠️ ALERT: Required model {model_id} not loaded")
                            # Attempt to reload
                            self._ensure_model_loaded_with_retry(model_id)

                # Memory usage optimization
                self._optimize_memory_usage(status)

                time.sleep(60)  # Check every minute

            except Exception as e:
                print(f"Model monitoring error: {e}")
                time.sleep(30)

    def _optimize_memory_usage(self, status):
        """Optimize memory usage based on current status"""
        available_memory = status.get('system_info', {}).get('available_memory_gb', 0) * 1024
        used_memory = sum(
            info.get('memory_usage_mb', 0)
            for info in status.get('available_models', {}).values()
            if info.get('loaded', False)
        )

        memory_usage_ratio = used_memory / available_memory if available_memory > 0 else 1.0

        # If memory usage is high, unload optional models
        if memory_usage_ratio > 0.8:  # 80% threshold
            print(f"High memory usage: {memory_usage_ratio:.1%}, optimizing...")

            for model_id, config in self.model_configs.items():
                if not config.required:
                    model_info = status.get('available_models', {}).get(model_id)
                    if model_info and model_info.get('loaded', False):
                        if self.unload_model(model_id):
                            print(f"Unloaded {model_id} to free memory")
                            break

    def graceful_shutdown(self):
        """Graceful shutdown procedure"""
        print("🔄 Starting graceful model shutdown...")

        # Stop monitoring
        self.stop_monitoring()

        # Unload all models
        for model_id in self.model_configs.keys():
            self.unload_model(model_id)

        print("✅ Model shutdown completed")

# Usage example
if __name__ == "__main__":
    # Initialize production model manager
    manager = ProductionModelManager()

    try:
        # Startup initialization
        if manager.startup_initialization():
            print("Production models initialized successfully")

            # Start monitoring
            manager.start_monitoring()

            # Keep running
            print("Model management system running...")
            while True:
                time.sleep(1)
        else:
            print("Failed to initialize production models")

    except KeyboardInterrupt:
        print("Received shutdown signal")
        manager.graceful_shutdown()
