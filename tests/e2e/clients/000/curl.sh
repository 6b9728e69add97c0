curl -X GET http://localhost:8000/models/cache/info
