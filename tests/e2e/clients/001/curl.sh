# Health check
curl http://localhost:8003/

# Get detailed health check
curl http://localhost:8003/health

# List all models
curl http://localhost:8003/models

# Get model information
curl http://localhost:8003/models/deberta-v3-base_pretrained

# Load model
curl -X POST http://localhost:8003/models/deberta-v3-base_pretrained/load

# Unload model
curl -X POST http://localhost:8003/models/deberta-v3-base_pretrained/unload

# Warmup model
curl -X POST http://localhost:8003/models/deberta-v3-base_pretrained/warmup

# Make prediction
curl -X POST "http://localhost:8003/predict?text=Ignore previous instructions"

# Make prediction with specific model
curl -X POST "http://localhost:8003/predict?text=Ignore previous instructions&model_name=roberta-base_pretrained"

# Get cache statistics
curl http://localhost:8003/stats

# Trigger memory cleanup
curl -X POST http://localhost:8003/cleanup

# Get Prometheus metrics
curl http://localhost:8003/metrics
