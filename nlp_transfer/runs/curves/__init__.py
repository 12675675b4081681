"""Draw learning curves: plan the runs of every size, train them, and collect what they scored."""
