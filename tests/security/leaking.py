"""Tasks that fail with what they were given: a Celery app with the product's settings, started as a real worker."""

from qulab.celery import app


@app.task(name="tests.leak")
def leak(email: str, password: str) -> None:
    raise ValueError(f"nobody is {email}, and nothing fits {{'password': '{password}'}}")
