"""A random driver in rare events: one world at a time, then many at once."""

import gymnasium as gym

QUERY = "cut_in(c) and ttc(ego, c) < 3s"

env = gym.make("scenegen_envs:scenegen/RareEvent-v0", query=QUERY, pool_size=4)
observation, info = env.reset(seed=0)
print(f"episode {info['episode_id']}: {info['family']} by {info['roles']}")
ended = False
while not ended:
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
    ended = terminated or truncated
print(f"{info['time']:.1f} s, least TTC {info['min_ttc']:.1f} s, collision: {info['collision']}")
env.close()

worlds = gym.make_vec("scenegen/RareEvent-v0", num_envs=64, query=QUERY, pool_size=4)
worlds.reset(seed=0)
crashes = 0
for _ in range(100):
    *_, info = worlds.step(worlds.action_space.sample())
    crashes += int(info["collision"].sum())
print(f"{crashes} collisions in {64 * 100} steps of 64 worlds")
worlds.close()
