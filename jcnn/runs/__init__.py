"""Run folders: the settings, history and checkpoints of a training on disk."""

from jcnn.runs.folder import (
    RunConfig,
    RunError,
    create,
    describe,
    differences,
    load,
    member_folder,
    read_config,
    write_config,
    write_members,
)

__all__ = [
    "RunConfig",
    "RunError",
    "create",
    "describe",
    "differences",
    "load",
    "member_folder",
    "read_config",
    "write_config",
    "write_members",
]
