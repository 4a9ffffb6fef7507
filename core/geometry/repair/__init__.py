"""From a damaged surface to a closed one: connectivity, orientation, holes, sheets, solids."""
