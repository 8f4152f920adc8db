"""A model as a graph of layers and functions, found by tracing it; and the way back."""

from jcnn.graph.build import GraphModel
from jcnn.graph.fields import receptive_fields
from jcnn.graph.find import graph
from jcnn.graph.node import INPUT, Graph, Node

__all__ = ["INPUT", "Graph", "GraphModel", "Node", "graph", "receptive_fields"]
