"""scenegen: rare-event driving scenarios from a query.

Ask for an event; get it as a Gymnasium episode, as a labelled sensor sequence, or as a recording
to search and explain. The rooms, from the door down:

    scenegen.pipeline   Request, Generator, generate_dataset, replay
    scenegen.catalog    Catalog (search, SQL), ScenarioDataset (a torch dataset with a query)
    scenegen.data       Dataset, DatasetWriter, Clips
    scenegen.query      parse, explain, and the query language in Python
    scenegen.view       write_html, draw_bev, write_gif, write_mp4
    scenegen.events     EVENTS, the event families
    scenegen.sim        Simulator, rollout

Importing this package registers the environments, so that
``gymnasium.make("scenegen:scenegen/RareEvent-v0", query="cut_in(c)")`` works.
"""

import scenegen_envs  # registers the environments

__all__ = ["scenegen_envs"]
