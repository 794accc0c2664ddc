"""Who answers: roster, duty, queue, assignment, transfer, alerts at the desk."""
