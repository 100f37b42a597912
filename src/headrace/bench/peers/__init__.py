"""Other projects' batch inference, each written as its own documentation would, for `headrace bench pipeline`.

Each module is a program: `python -m headrace.bench.peers.NAME --data ... --model ... --precision ... --out DIR`.
"""
