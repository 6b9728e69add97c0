class ModelManager:
    # ... (previous methods)

    def unload_model(self, model_type):
        """Unload a specific model to free memory"""
        url = f"{self.base_url}/model/unload/{model_type}"

        try:
            response = requests.delete(url, timeout=30)
            response.raise_for_status()
            result = response.json()

            if result['success']:
                memory_freed = result.get('memory_freed_mb', 0)
                print(f"✅ Model {model_type} unloaded, freed {memory_freed}MB")
                return True
            else:
                print(f"❌ Unload failed: {result['error']}")
                return False

        except requests.exceptions.RequestException as e:
            print(f"Failed to unload model: {e}")
            return False

    def optimize_memory_usage(self, keep_models=None):
        """Optimize memory usage by unloading unused models"""
        if keep_models is None:
            keep_models = []

        status = self.get_model_status()
        if not status:
            return False

        available_models = status.get('available_models', {})
        unloaded_count = 0

        for model_id, model_info in available_models.items():
            if model_id not in keep_models and model_info.get('loaded', False):
                if self.unload_model(model_id):
                    unloaded_count += 1

        print(f"Memory optimization completed, unloaded {unloaded_count} models")
        return True

# Usage example
manager = ModelManager()

# Unload specific model
manager.unload_model("punctuation")

# Optimize memory usage (keep only ASR model)
manager.optimize_memory_usage(keep_models=["streaming_asr"])
