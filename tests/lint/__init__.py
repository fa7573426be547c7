"""The lint rules of this project that no other tool has."""
