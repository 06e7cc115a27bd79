"""The scheduler: which SubNet serves a query, and which SubGraph stays in the persistent buffer."""
from __future__ import annotations

from nigiri.sched.benefit import Roofline
from nigiri.sched.candidates import candidates
from nigiri.sched.engine_server import EngineServer
from nigiri.sched.errors import SchedulerError, TableError, UnreachableAccuracy, UnreachableLatency
from nigiri.sched.policy import FixedCache, NoCache, Policy
from nigiri.sched.predicted import predicted_table
from nigiri.sched.query import REFUSED, Decision, Goal, Query, State
from nigiri.sched.rules import CacheRule, ExpectedSaving, NearestVector
from nigiri.sched.serve import Served, serve, stream_served
from nigiri.sched.server import Execution, Server, TableServer
from nigiri.sched.stream import StreamSettings, query_stream
from nigiri.sched.subgraph import Candidate, Layer, SubGraph
from nigiri.sched.summary import Summary, summarise
from nigiri.sched.sushi import SushiSched
from nigiri.sched.table import LatencyTable, SubNet, build_table
from nigiri.sched.workload import Workload, workload

__all__ = ["REFUSED", "CacheRule", "Candidate", "Decision", "EngineServer", "Execution", "ExpectedSaving",
           "FixedCache", "Goal", "LatencyTable", "Layer", "NearestVector", "NoCache", "Policy", "Query", "Roofline",
           "SchedulerError", "Served", "Server", "State", "StreamSettings", "SubGraph", "SubNet", "Summary",
           "SushiSched", "TableError", "TableServer", "UnreachableAccuracy", "UnreachableLatency", "Workload",
           "build_table", "candidates", "predicted_table", "query_stream", "serve", "stream_served", "summarise",
           "workload"]
