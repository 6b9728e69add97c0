import requests
import json

class ModelManager:
    def __init__(self, base_url="http://localhost:8000"):
        self.base_url = base_url

    def get_model_status(self, detailed=False):
        """Get current model loading status"""
        url = f"{self.base_url}/model/info"

        try:
            if detailed:
                response = requests.post(url, json={"detailed": True, "include_metrics": True})
            else:
                response = requests.get(url)

            response.raise_for_status()
            return response.json()

        except requests.exceptions.RequestException as e:
            print(f"Failed to get model status: {e}")
            return None

    def check_model_readiness(self, required_models=None):
        """Check if required models are loaded and ready"""
        if required_models is None:
            required_models = ["streaming_asr", "punctuation"]

        status = self.get_model_status()
        if not status or not status.get('success'):
            return False, "Failed to get model status"

        available_models = status.get('available_models', {})
        missing_models = []
        unloaded_models = []

        for model_id in required_models:
            if model_id not in available_models:
                missing_models.append(model_id)
            elif not available_models[model_id].get('loaded', False):
                unloaded_models.append(model_id)

        if missing_models:
            return False, f"Missing models: {', '.join(missing_models)}"

        if unloaded_models:
            return False, f"Unloaded models: {', '.join(unloaded_models)}"

        return True, "All required models are loaded and ready"

# Usage example
manager = ModelManager()

# Basic status check
status = manager.get_model_status()
if status:
    print(f"Models available: {list(status['available_models'].keys())}")

# Check readiness for ASR processing
ready, message = manager.check_model_readiness(["streaming_asr"])
if ready:
    print("✅ ASR model is ready for transcription")
else:
    print(f"❌ ASR model not ready: {message}")
