"""What a session is: its state as a pure function of events, its folder, its versions."""
