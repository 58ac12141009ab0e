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

What a plan does in shocks has a class for each who asks:

solver.kept.BatchResult      what the solver finds for the LPs of one batch, before it is read
subproblems.BatchResponse    one batch of shocks: gap, failure, cost, flows or subgradients, whichever is requested
subproblems.ShockGaps        every shock: gap and failure
subproblems.Subgradients     groups of shocks: value and subgradient in the plan
recourse.RecourseResult      one shock: gap and best operation
benders_cuts.Evaluation      a plan in Benders decomposition: objective, feasibility, number of new cuts
"""
