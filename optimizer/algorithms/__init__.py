"""How optima are found. In reading order:

solving                                      which algorithm, by size, probabilities and floors
problem, search, reading                     what is minimised; the state of a search; columns to plans and back
extensive_form, relaxation                   one model with some shocks or all, and what tightens it
relaxed_floors                               floors that may be given up
constraint_generation, separation, robust    solve, find violated shocks or attacks, add, repeat
benders, _loop, _master, _evaluation         cuts in place of shocks, where every shock counts
recourse, subproblems, window                a given plan in all shocks: linear programmes, kept warm
dual_decomposition, joint_recourse           several futures
near_optimal, conflict, fixed_plan           near-optimal plans, rules that contradict each other, a given plan
executor, workers                            the same work in this process, in several, or on a cluster
"""
