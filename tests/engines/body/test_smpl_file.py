"""SMPL's layout, made up: both formats load and pose; what is missing or hostile is refused in words."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csc_matrix

from engines.body import BodyModelError, load_body
from engines.body.rotations import rotation_matrices
from engines.keypoints import COCO_NAMES, JOINT_NAMES, JOINT_PARENTS
from tests.engines.body.closed_mesh import euler_characteristic, sphere

SIZE = 6890


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    """A ball of 6,890 vertices with SMPL's arrays: joints up its middle, limbs by nearness."""
    rng = np.random.default_rng(0)
    points, faces = sphere(radius=0.9)
    points = points * (0.5, 1.0, 0.3)
    centres = load_body().joints_rest(np.zeros(10))[0].astype(np.float64)
    distance = np.linalg.norm(points[:, None] - centres, axis=-1)
    weights = np.exp(-((distance / 0.1) ** 2))
    weights[distance.argmin(1) == JOINT_NAMES.index("head"), JOINT_NAMES.index("head")] += 1
    regressor = np.zeros((24, SIZE))
    for joint in range(24):
        near = np.argsort(distance[:, joint])[:10]
        regressor[joint, near] = rng.dirichlet(np.ones(10))
    parents = np.array(JOINT_PARENTS)
    parents[0] = 2**32 - 1  # as the official files have it
    return {
        "v_template": points,
        "shapedirs": rng.normal(size=(SIZE, 3, 16)) * 0.01,
        "posedirs": rng.normal(size=(SIZE, 3, 207)) * 0.002,
        "weights": weights / weights.sum(1, keepdims=True),
        "f": faces.astype(np.uint32),
        "J_regressor": regressor,
        "kintree_table": np.stack([parents, np.arange(24)]).astype(np.uint32),
    }


@pytest.fixture(scope="module")
def npz(arrays: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("smpl") / "SMPL_NEUTRAL.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def body(npz: Path):
    return load_body(npz)


def official_pose(arrays: dict[str, np.ndarray], pose: np.ndarray, betas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SMPL's own formulation (Loper et al. 2015, eq. 2-4): 4x4 chains around rest joints, float64."""
    v = arrays["v_template"] + arrays["shapedirs"][..., :10] @ betas
    j = arrays["J_regressor"] @ v
    turns = rotation_matrices(pose.astype(np.float64))
    v = v + arrays["posedirs"] @ (turns[1:] - np.eye(3)).ravel()
    chain: list[np.ndarray] = []
    for joint, parent in enumerate(JOINT_PARENTS):
        local = np.eye(4)
        local[:3, :3], local[:3, 3] = turns[joint], j[joint] - (j[parent] if parent >= 0 else 0)
        chain.append(local if parent < 0 else chain[parent] @ local)
    joints = np.array([c[:3, 3] for c in chain])
    removed = [
        c @ np.block([[np.eye(3), -j[k][:, None]], [np.zeros((1, 3)), np.ones((1, 1))]]) for k, c in enumerate(chain)
    ]
    blend = np.einsum("vj,jab->vab", arrays["weights"], np.array(removed))
    return np.einsum("vab,vb->va", blend[:, :3, :3], v) + blend[:, :3, 3], joints


def test_poses_as_smpl_does(body, arrays) -> None:
    rng = np.random.default_rng(1)
    pose, betas = rng.normal(size=(24, 3)) * 0.5, rng.normal(size=10)
    vertices, joints = official_pose(arrays, pose, betas)
    posed = body.forward(pose, betas, joints[0])
    np.testing.assert_allclose(posed.joints[0], joints, atol=1e-5)
    np.testing.assert_allclose(posed.vertices[0], vertices, atol=2e-5)


def test_levels_and_landmarks(body) -> None:
    assert body.level_sizes[0] == SIZE and body.num_betas == 10 and body.identity.startswith("smpl-6890-")
    assert body.level_sizes[0] > body.level_sizes[1] > body.level_sizes[2]
    for faces in body.faces:
        assert euler_characteristic(faces) == 2
    posed = body.forward(np.zeros((24, 3)), np.zeros(10), np.zeros(3))
    landmarks = body.coco(posed.vertices)[0]
    for name in ("left_knee", "right_wrist"):
        joint = posed.joints[0, JOINT_NAMES.index(name)]
        np.testing.assert_allclose(landmarks[COCO_NAMES.index(name)], joint, atol=1e-4)


class Ch:
    """Stands in for chumpy's array, which official pickles hold."""

    def __init__(self, x: np.ndarray) -> None:
        self.x = x


Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickle_gives_the_same_body(arrays, body, tmp_path, monkeypatch, protocol) -> None:
    import sys
    import types

    content = dict(arrays, bs_style="lbs", bs_type="lrotmin")
    content["J_regressor"] = csc_matrix(arrays["J_regressor"])
    content["shapedirs"] = Ch(arrays["shapedirs"])
    path = tmp_path / "basicModel_neutral.pkl"
    chumpy = types.ModuleType("chumpy.ch")
    chumpy.Ch = Ch
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
        patch.setitem(sys.modules, "chumpy.ch", chumpy)
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    loaded = load_body(path)
    for name in ("v_template", "shapedirs", "weights", "joints_template", "joints_shapedirs", "posedirs"):
        np.testing.assert_allclose(getattr(loaded, name), getattr(body, name), atol=1e-7)


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path, how) -> None:
        self.path, self.how = path, how

    def __reduce__(self):
        return self.how, (f"open({str(self.path)!r}, 'w').close()",)


@pytest.mark.parametrize("how", [exec, eval], ids=["exec", "eval"])
def test_hostile_pickle_does_not_run(arrays, tmp_path, how) -> None:
    canary, path = tmp_path / "ran", tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps(dict(arrays, extra=Canary(canary, how))))
    with pytest.raises(BodyModelError, match=r"refused: it asks for builtins\.(exec|eval), .* was not run"):
        load_body(path)
    assert not canary.exists()
    pickle.loads(path.read_bytes())
    assert canary.exists(), "the canary must sing where code does run, else this test shows nothing"


def test_hostile_system_call_does_not_run(tmp_path) -> None:
    canary, path = tmp_path / "ran", tmp_path / "hostile.pkl"
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(canary).encode() + b"'\ntR.")
    with pytest.raises(BodyModelError, match=r"os\.system"):
        load_body(path)
    assert not canary.exists()


def test_object_arrays_in_npz_do_not_run(arrays, tmp_path) -> None:
    canary, path = tmp_path / "ran", tmp_path / "hostile.npz"
    trap = np.empty(1, object)
    trap[0] = Canary(canary, exec)
    np.savez(path, **dict(arrays, v_template=trap))
    with pytest.raises(BodyModelError, match="Object arrays are refused"):
        load_body(path)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("weights", None, "lacks 'weights'"),
        ("weights", np.zeros((SIZE, 52)), r"weights has shape \(6890, 52\)"),
        ("kintree_table", np.zeros((2, 24), np.uint32), "not SMPL's tree"),
        ("f", np.full((4, 3), 9999), "faces name vertices up to 9999"),
    ],
)
def test_files_that_do_not_fit(arrays, tmp_path, name, value, words) -> None:
    changed = {key: array for key, array in arrays.items() if key != name}
    path = tmp_path / "other.npz"
    np.savez(path, **changed, **({} if value is None else {name: value}))
    with pytest.raises(BodyModelError, match=words):
        load_body(path)


@pytest.mark.parametrize(("suffix", "content"), [(".npz", b"PK\x03\x04nonsense"), (".pkl", b"nonsense"), (".pkl", b"")])
def test_broken_files(tmp_path, suffix, content) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(BodyModelError, match="broken"):
        load_body(path)


def test_no_file(tmp_path) -> None:
    with pytest.raises(BodyModelError, match="is not a file"):
        load_body(tmp_path / "nothing.npz")
