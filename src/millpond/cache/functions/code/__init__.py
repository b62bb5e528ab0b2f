"""What is known of functions by their code, their modules and their signatures, in every process alike."""
