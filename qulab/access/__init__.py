"""Who asks, and whether they may: below all apps, so that each of them can ask. What says nothing is closed."""
