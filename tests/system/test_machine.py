"""The description of the machine, compared with the output of system programs."""

import os
import re
import subprocess
import sys

import jax

from jcnn.system.machine import describe_machine


def test_the_machine_is_described_in_lines() -> None:
    found = describe_machine()
    assert list(found) == ["system", "processor", "cores", "memory", "device"]
    for value in found.values():
        assert value.strip() == value != ""
        assert "\n" not in value
    assert sys.platform[:5].lower() in found["system"].lower()
    assert 1 <= int(found["cores"]) <= (os.cpu_count() or 1)
    assert re.fullmatch(r"\d+\.\d GiB", found["memory"])
    device = jax.devices()[0]
    assert found["device"] == f"{jax.device_count()} x {device.device_kind} ({device.platform})"


def test_cores_are_those_that_the_process_may_use() -> None:
    code = (
        "import os\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from jcnn.system.machine import describe_machine\n"
        "print(describe_machine()['cores'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"1\n"
