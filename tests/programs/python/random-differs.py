import random, uuid, os, secrets
print(random.random() != random.random(), len(uuid.uuid4().hex), len(os.urandom(4)), len(secrets.token_hex(3)))
