"""Writes what SAM makes of a template, as JSON. It refuses what SAM does not know.

usage: transformed.py TEMPLATE
"""

import json
import logging
import sys
from pathlib import Path

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# It says six times that a feature is not on.
logging.disable(logging.WARNING)
template = yaml_parse(Path(sys.argv[1]).read_text())
for resource in template["Resources"].values():
    # Code that is on this machine is uploaded before.
    if "CodeUri" in resource.get("Properties", {}):
        resource["Properties"]["CodeUri"] = "s3://artifacts/function.zip"
# The managed policy that SAM looks up is that of gradual deployments, which it knows itself.
json.dump(transform(template, {}, None), sys.stdout, default=str, indent=1)
