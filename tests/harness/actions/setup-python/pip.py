"""Stand-in for pip where all that a lock asks for is there already: installs the project alone."""

import sys
import sysconfig
import tomllib
from pathlib import Path

if sys.argv[1] != "install":
    sys.exit("this pip only installs")
if "--require-hashes" in sys.argv:
    Path(sys.argv[sys.argv.index("--requirement") + 1]).read_bytes()
elif sys.argv[-2:] == ["--editable", "."]:
    Path(sysconfig.get_path("purelib"), "project.pth").write_text(f"{Path.cwd()}\n")
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    for name, function in project["scripts"].items():
        module, _, attribute = function.partition(":")
        script = Path(sysconfig.get_path("scripts"), name)
        script.write_text(f"#!{sys.executable}\nfrom {module} import {attribute}\n{attribute}()\n")
        script.chmod(0o755)
else:
    sys.exit("this pip installs what is locked, and the project")
