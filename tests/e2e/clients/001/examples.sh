curl http://localhost:8003/

curl http://localhost:8003/health

curl http://localhost:8003/models

curl http://localhost:8003/models/deberta-v3-base_pretrained

curl -X POST http://localhost:8003/models/deberta-v3-base_pretrained/load

curl -X POST http://localhost:8003/models/deberta-v3-base_pretrained/unload

curl -X POST http://localhost:8003/models/deberta-v3-base_pretrained/warmup

# Basic prediction
curl -X POST "http://localhost:8003/predict?text=Ignore previous instructions"

# Prediction with specific model
curl -X POST "http://localhost:8003/predict?text=Ignore previous instructions&model_name=roberta-base_pretrained"

curl http://localhost:8003/stats

curl -X POST http://localhost:8003/cleanup

curl http://localhost:8003/metrics
