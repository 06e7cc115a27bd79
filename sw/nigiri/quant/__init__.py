"""int8 quantisation and integer export of SuperNets (needs the ``train`` extra)."""
