"""Run folders: the settings, history and checkpoints of a training on disk."""

from jcnn.runs.config import RunConfig, RunError, describe
from jcnn.runs.folder import (
    create,
    differences,
    member_folder,
    read_config,
    record,
    write_config,
    write_members,
)
from jcnn.runs.models import load, resolve, save

__all__ = [
    "RunConfig",
    "RunError",
    "create",
    "describe",
    "differences",
    "load",
    "member_folder",
    "read_config",
    "record",
    "resolve",
    "save",
    "write_config",
    "write_members",
]
