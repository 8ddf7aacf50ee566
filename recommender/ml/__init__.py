"""Arrays in, arrays out: no Django, settings, clock or network below this line.

Shapes: B batch, L sequence length, D embedding size, U users, M items, K negatives, k list length,
P positions of a batch that have something to predict, F_u and F_i features of users and items,
C length of a content vector. A shape is written where it changes: `# (B, L, D)`.

Numbers: items are 1..M and users 1..U inside one snapshot or artifact; 0 is padding, or nobody
known. An artifact carries the database keys of its numbers; two artifacts number differently.

Words: an *event* has a weight ≥ 0; a *positive* has more than 0. A *history* is one user's
positives, oldest first, each item once. A *scorer* ranks all items for histories, without torch.
A *tower* is the part of a model that turns a history into a vector. A *snapshot* is what is
learned from, an *artifact* what was learned. `ml/models` holds what is trained, `ml/scorers` what
it is exported to: several models may share a kind of scorer.

Torch is imported by `models`, `trainer`, `losses` and `export` only.
"""
