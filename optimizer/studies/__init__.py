"""Studies of an instance or a plan.

questions     solve, futures.solve, futures.study, compare, explain, evaluate, attack, alternatives, sensitivity,
              stress, discovery, requirements, sharing, time_to_survive, verify
answers       comparison, explanation, evaluation, cost_shares, `<question>_result`
searches      conclusion (search, then audit, then result), what_if, given_plan, budget_sweep, first_order,
              reinforcement: shared by several questions
figures       outcomes, purchases, delays, shocks, supply_chain, summary, boxes, cost_tolerance: shared too
tables        frames, evaluation_frames, requirements_frames, requirements_assessment; others beside their answers
"""
