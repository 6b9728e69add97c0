curl http://localhost:8000/models

curl -X POST http://localhost:8000/models/download \
  -H "Content-Type: application/json" \
  -d '{
    "source": "huggingface",
    "model_id": "microsoft/speecht5_tts",
    "name": "speecht5_tts",
    "task": "text-to-speech",
    "include_vocoder": true
  }'

curl -X POST http://localhost:8000/models/download \
  -H "Content-Type: application/json" \
  -d '{
    "source": "huggingface",
    "model_id": "suno/bark",
    "name": "bark_tts",
    "task": "text-to-speech"
  }'

curl -X POST http://localhost:8000/models/download \
  -H "Content-Type: application/json" \
  -d '{
    "source": "huggingface",
    "model_id": "facebook/bart-large",
    "name": "bart_large_tts",
    "task": "text-generation",
    "auto_convert_tts": true
  }'

curl http://localhost:8000/models/available

curl http://localhost:8000/models/managed

curl http://localhost:8000/models/cache/info

curl http://localhost:8000/models/download/status/abc12345

curl -X POST "http://localhost:8000/models/manage?action=optimize&model_name=speecht5_tts"

curl -X POST "http://localhost:8000/models/manage?action=retry_download&model_name=failed_model&force_redownload=true"

curl -X DELETE http://localhost:8000/models/download/old_model
