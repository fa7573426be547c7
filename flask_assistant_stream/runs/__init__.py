"""A run's life: started, executed, answered, cancelled, swept, drained. Knows neither Flask nor wire formats."""
