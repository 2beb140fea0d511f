"""What the benches written in Python share: words on the terminal, the machine's name, the page of figures."""

import os
import platform
import re
import sys
from pathlib import Path

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def say(text):
    """Tells the one who waits; figures alone go to standard output."""
    print(text, file=sys.stderr, flush=True)


def machine(cpus=f"{os.cpu_count()} CPUs"):
    """The machine as a page names it."""
    about = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", about)
    name = re.sub(r"\s+", " ", model.group(1)) if model else platform.machine()
    virtual = " (virtual)" if " hypervisor" in about else ""
    return f"{name}, {cpus}{virtual}, Linux {platform.release()}"


def write_page(page, lines):
    """Puts lines in the place of the figures on a page."""
    before, rest = page.read_text().split(BEGIN)
    after = rest.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}")
    say(f"{page.name} is updated")
