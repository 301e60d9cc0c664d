"""A back end with the published Python SDK: prints the value of one flag whenever it is another one."""

import sys
import time

from featureflags.client import CfClient
from featureflags.config import Config, with_base_url, with_events_url
from featureflags.evaluations.auth_target import Target

url, key = sys.argv[1:3]
client = CfClient(key, with_base_url(url), with_events_url(url), config=Config(enable_analytics=False))
client.wait_for_initialization()
target = Target(identifier="user-42", name="Ada")
last = None
while True:
    value = client.string_variation("theme", target, "default")
    if value != last:
        print("theme", value, flush=True)
        last = value
    time.sleep(0.02)
