"""Django without thread hops: what its ASGI path does in threads, though nothing in it blocks, is done in the loop.

`QULAB_STOCK_DJANGO=1` returns to Django's own path. tests/lean/test_contract.py pins what is relied on in Django.
"""
