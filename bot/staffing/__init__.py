"""Who answers: roster, duty, queue, assignment, transfer, alarms and incidents at the desk."""
