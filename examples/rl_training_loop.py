"""Learn to live through a rare event by the cross-entropy method: one candidate driver per world.

Every world plays the same episodes with its own linear policy; the best eighth say where the next
candidates are drawn (Rubinstein, 1999). No learning library is needed.
"""

import gymnasium as gym
import numpy as np

QUERY = "cut_in(c) and ttc(ego, c) < 3s"
EPISODES, CANDIDATES, ROUNDS = 4, 128, 8
# Speed, offset and heading on the route, gap, inverse TTC and headway, the leader's speed, bias.
SEEN = [0, 15, 16, 25, 26, 27, 28]

rng = np.random.default_rng(0)
worlds = gym.make_vec(
    "scenegen_envs:scenegen/RareEvent-v0", num_envs=CANDIDATES, query=QUERY, pool_size=EPISODES
)
middle, spread = np.zeros((len(SEEN) + 1, 2)), np.tile([1.0, 0.3], (len(SEEN) + 1, 1))

for turn in range(ROUNDS):
    policies = rng.normal(middle, spread, (CANDIDATES, *middle.shape))
    policies[0] = middle
    score, survived = np.zeros(CANDIDATES), np.zeros(CANDIDATES)
    for episode in range(EPISODES):
        observation, _ = worlds.reset(seed=0, options={"episode": episode})
        running = np.ones(CANDIDATES, bool)
        while running.any():
            features = np.column_stack([observation[:, SEEN], np.ones(CANDIDATES)])
            action = np.einsum("wf,wfa->wa", features, policies).clip(-1, 1)
            observation, reward, terminated, truncated, _ = worlds.step(action.astype(np.float32))
            score += reward * running
            survived += running & truncated & ~terminated
            running &= ~(terminated | truncated)
    best = policies[np.argsort(-score)[: CANDIDATES // 8]]
    print(
        f"round {turn}: mean driver {score[0] / EPISODES:6.2f} per episode,"
        f" unharmed in {survived[0]:.0f} of {EPISODES}; best {score.max() / EPISODES:6.2f}"
    )
    middle, spread = best.mean(0), best.std(0) + 0.02
worlds.close()
