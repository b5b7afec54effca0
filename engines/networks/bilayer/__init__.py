"""Bilayer graph mesh: skeleton graph, mesh graph and their learned fusion, on top of a point lifter."""

from engines.networks.bilayer.config import PRESETS, BilayerConfig
from engines.networks.bilayer.network import BilayerNet
from engines.networks.bilayer.prediction import BodyPrediction, project

__all__ = ["PRESETS", "BilayerConfig", "BilayerNet", "BodyPrediction", "project"]
