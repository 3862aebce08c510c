"""The systems that fastnet grew from, as settings of its own, and what runs them beside their published results."""

from fastnet.recipes.recipe import Recipe
from fastnet.recipes.table import RECIPES

__all__ = ["RECIPES", "Recipe"]
