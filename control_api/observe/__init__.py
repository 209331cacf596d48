"""What the operator is told: metrics, logs, health, errors."""
