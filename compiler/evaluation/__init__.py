"""What methods and schedules are worth on labelled data, as tables and pictures."""
