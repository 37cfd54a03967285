"""Foundation models: networks trained by others on very many calculations, and what to do with
their answers: correct them, probe their embeddings, train them further."""
