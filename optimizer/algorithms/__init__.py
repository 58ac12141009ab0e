"""The algorithms that find optimal plans. In reading order:
solving                                      the choice of the algorithm, by size, probabilities and floors
problem, search, reading                     the objective; the state of a search; from columns to plans and back
extensive_form, relaxation                   one model with some or all shocks, and what tightens its relaxation
relaxed_floors                               floors that may be given up
constraint_generation, separation, robust    solve, separate violated shocks or attacks, add them, repeat
benders, benders_*                           optimality cuts in place of shocks, where every shock counts
recourse, subproblems, window                recourse of a fixed plan in all shocks: warm LPs
dual_decomposition, joint_recourse           several futures
near_optimal, conflict, fixed_plan           near-optimal plans, conflicting rules, a fixed plan
executor, workers                            parallel work in threads and processes, or on a cluster

The recourse of a plan in shocks is returned in one class per purpose:

solver.kept.BatchResult      solutions of the LPs of one batch, as the solver returns them
subproblems.BatchResponse    one batch of shocks: gap, failure, cost, flows or subgradients, whichever is requested
subproblems.ShockGaps        every shock: gap and failure
subproblems.Subgradients     groups of shocks: value and subgradient in the plan
recourse.RecourseResult      one shock: gap and best operation
benders_cuts.Evaluation      a plan in Benders decomposition: objective, feasibility, number of new cuts
"""
