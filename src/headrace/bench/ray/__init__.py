"""`headrace bench ray`: what the Ray engine costs, and how it grows. Every measure is a process of its own."""
