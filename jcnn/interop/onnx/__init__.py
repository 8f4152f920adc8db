"""ONNX models in and out, without the package onnx."""
