import time
from enum import Enum

class ModelLoadStatus(Enum):
    PENDING = "pending"
    LOADING = "loading"
    COMPLETED = "completed"
    FAILED = "failed"

class ModelManager:
    # ... (previous methods)

    def load_model(self, model_type, force_reload=False, async_load=True, timeout=300):
        """Load a specific model"""
        url = f"{self.base_url}/model/load"

        payload = {
            "model_type": model_type,
            "force_reload": force_reload,
            "async_load": async_load,
            "timeout": timeout
        }

        try:
            response = requests.post(url, json=payload, timeout=30)
            response.raise_for_status()
            result = response.json()

            if result['success']:
                if async_load:
                    print(f"Model loading initiated: {model_type}")
                    return result['load_id']
                else:
                    print(f"Model loaded successfully: {model_type}")
                    return True
            else:
                print(f"Load failed: {result['error']}")
                return False

        except requests.exceptions.RequestException as e:
            print(f"Failed to load model: {e}")
            return False

    def wait_for_model_load(self, load_id, check_interval=5, max_wait=300):
        """Wait for asynchronous model loading to complete"""
        start_time = time.time()

        while time.time() - start_time < max_wait:
            status = self.get_model_status()
            if status and status.get('success'):
                # Check if any model is currently loading
                for model_id, model_info in status.get('available_models', {}).items():
                    if model_info.get('loading', False):
                        print(f"Model {model_id} still loading...")
                        time.sleep(check_interval)
                        continue

                # All models loaded
                print("✅ All models loaded successfully")
                return True

            time.sleep(check_interval)

        print(f"❌ Model loading timeout after {max_wait}s")
        return False

    def ensure_model_loaded(self, model_type, force_reload=False):
        """Ensure a model is loaded, load if necessary"""
        # Check current status
        status = self.get_model_status()
        if not status:
            return False

        available_models = status.get('available_models', {})
        model_info = available_models.get(model_type)

        # Check if model needs loading
        if not model_info:
            print(f"❌ Model {model_type} not available")
            return False

        if model_info.get('loaded', False) and not force_reload:
            print(f"✅ Model {model_type} already loaded")
            return True

        # Load the model
        print(f"Loading model {model_type}...")
        load_id = self.load_model(model_type, force_reload=force_reload)

        if load_id:
            return self.wait_for_model_load(load_id)

        return False

# Usage example
manager = ModelManager()

# Ensure ASR model is loaded
if manager.ensure_model_loaded("streaming_asr"):
    print("ASR model is ready for use")
else:
    print("Failed to load ASR model")

# Load multiple models
models_to_load = ["streaming_asr", "punctuation"]
for model in models_to_load:
    if manager.ensure_model_loaded(model):
        print(f"✅ {model} loaded successfully")
    else:
        print(f"❌ Failed to load {model}")
