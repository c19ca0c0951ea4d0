"""Who answers: engines that turn cases into prediction records."""
