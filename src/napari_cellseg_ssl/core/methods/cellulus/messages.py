"""What `core/methods/cellulus` says to a user: each sentence is a function of its values."""


def loss_hardly_moves() -> str:
    return "The loss has hardly moved yet: is the object diameter right, and do the images show cells?"
