"""The questions that integrity asks, in SQL, over `ops` and `found`; what they mean stands in integrity.

An auditor can ask the same of operations.parquet and survivors.parquet with any tool that reads Parquet.
"""

TABLES = """
CREATE OR REPLACE TEMP TABLE lost (read VARCHAR, op BIGINT, grp VARCHAR, plane VARCHAR, writer INTEGER, seq BIGINT,
    attempt INTEGER, node VARCHAR, timeline INTEGER, lsn BIGINT, flags VARCHAR, started BIGINT, ended BIGINT,
    hole BOOLEAN DEFAULT false, flicker BOOLEAN DEFAULT false);
CREATE OR REPLACE TEMP TABLE counts (read VARCHAR, recovered BIGINT, absent BIGINT, zombie BIGINT, phantom BIGINT,
    duplicate BIGINT, corrupted BIGINT);
CREATE OR REPLACE TEMP TABLE edge (read VARCHAR, writer INTEGER, timeline INTEGER, node VARCHAR, seq BIGINT);
"""

ODD = """
CREATE OR REPLACE TEMP TABLE odd AS
SELECT coalesce(t.writer, f.writer) AS writer, coalesce(t.stretch, f.stretch) AS stretch,
       greatest(coalesce(t.n, 0), coalesce(f.n, 0)) AS n
FROM (SELECT writer, seq >> 8 AS stretch, count(*) AS n, sum(hash(writer, seq, attempt, coalesce(checksum, ''))) AS a,
             bit_xor(hash(coalesce(checksum, ''), attempt, seq, 'drills')) AS b
      FROM ops WHERE service = $service AND kind = 'write' AND outcome = 'ok' AND ended < $began AND writer IS NOT NULL
      AND seq IS NOT NULL AND attempt IS NOT NULL GROUP BY ALL) t
FULL JOIN
     (SELECT writer, seq >> 8 AS stretch, count(*) AS n, sum(hash(writer, seq, attempt, coalesce(checksum, ''))) AS a,
             bit_xor(hash(coalesce(checksum, ''), attempt, seq, 'drills')) AS b
      FROM found WHERE service = $service AND read = $read AND run = $run AND writer IS NOT NULL AND seq IS NOT NULL
      AND attempt IS NOT NULL GROUP BY ALL) f
ON t.writer = f.writer AND t.stretch = f.stretch
WHERE t.n IS DISTINCT FROM f.n OR t.a IS DISTINCT FROM f.a OR t.b IS DISTINCT FROM f.b
"""
"""Stretches of 256 sequence numbers of a writer in which what was acknowledged is not exactly what was found.

Of the others nothing was lost and nothing was added: count and two fingerprints of 64 bits agree. Only odd stretches
are compared marker by marker, which makes the cost of a drill that lost little that of reading its files once.
"""

EVEN = """
INSERT INTO counts SELECT $read, 0, count(*), 0, 0, 0, 0 FROM ops o
WHERE service = $service AND kind = 'write' AND outcome = 'info' AND started < $began AND seq IS NOT NULL
AND attempt IS NOT NULL AND writer IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM odd WHERE odd.writer = o.writer AND odd.stretch = o.seq >> 8)
"""
"""In stretches that are not odd no write of unknown fate was found: all of them are absent."""

PAIR = """
CREATE OR REPLACE TEMP TABLE pair AS
SELECT t.*, f.n, f.n IS NOT NULL AND (f.low <> t.checksum OR f.high <> t.checksum) AS wrong
FROM (SELECT op, grp, plane, writer, seq, attempt, coalesce(checksum, '') AS checksum, started, ended, outcome, node,
             timeline, lsn, flags
      FROM ops o SEMI JOIN odd ON odd.writer = o.writer AND odd.stretch = o.seq >> 8
      WHERE service = $service AND kind = 'write' AND attempt IS NOT NULL
      AND (o.writer + (seq >> 8)) % $parts = $part) t
FULL JOIN
     (SELECT writer, seq, attempt, count(*) AS n, min(coalesce(checksum, '')) AS low,
             max(coalesce(checksum, '')) AS high
      FROM found x SEMI JOIN odd ON odd.writer = x.writer AND odd.stretch = x.seq >> 8
      WHERE service = $service AND read = $read AND run = $run AND attempt IS NOT NULL
      AND (x.writer + (seq >> 8)) % $parts = $part GROUP BY ALL) f
ON t.writer = f.writer AND t.seq = f.seq AND t.attempt = f.attempt
"""
COUNT = """
INSERT INTO counts SELECT $read,
    count(*) FILTER (outcome = 'info' AND n IS NOT NULL),
    count(*) FILTER (outcome = 'info' AND n IS NULL AND started < $began),
    count(*) FILTER (outcome = 'fail' AND n IS NOT NULL),
    count(*) FILTER (op IS NULL),
    count(*) FILTER (n > 1),
    count(*) FILTER (op IS NOT NULL AND wrong) FROM pair
"""
LOST = """
INSERT INTO lost BY NAME
SELECT $read AS read, op, grp, plane, writer, seq, attempt, node, timeline, lsn, flags, started, ended
FROM pair WHERE outcome = 'ok' AND n IS NULL AND ended < $began
"""
LATE = """
INSERT INTO edge SELECT $read, writer, timeline, CASE WHEN timeline IS NULL THEN node END AS place, max(seq)
FROM pair WHERE outcome = 'ok' AND n IS NOT NULL AND ended >= $began AND (timeline IS NOT NULL OR node IS NOT NULL)
GROUP BY writer, timeline, place
"""
"""A write that was acknowledged after the read had begun, and was found, is a survivor too."""

EDGE = """
INSERT INTO edge SELECT $read, writer, timeline, CASE WHEN timeline IS NULL THEN node END AS place, max(seq)
FROM ops o WHERE service = $service AND kind = 'write' AND outcome = 'ok' AND ended < $began
AND (timeline IS NOT NULL OR node IS NOT NULL) AND writer IN (SELECT writer FROM lost WHERE read = $read)
AND NOT EXISTS (SELECT 1 FROM lost l WHERE l.read = $read AND l.op = o.op) GROUP BY writer, timeline, place
"""
FOREIGN = """
INSERT INTO counts SELECT $read, 0, 0, 0, count(*), 0, 0 FROM (
    SELECT DISTINCT run, writer, seq, attempt FROM found WHERE service = $service AND read = $read
    AND (run IS DISTINCT FROM $run OR writer IS NULL OR seq IS NULL OR attempt IS NULL))
"""

HOLE = """
UPDATE lost SET hole = true FROM (
    SELECT read, writer, timeline, node, max(seq) AS seq FROM edge GROUP BY ALL) e
WHERE lost.read = e.read AND lost.writer = e.writer AND lost.seq < e.seq
AND lost.timeline IS NOT DISTINCT FROM e.timeline
AND (lost.timeline IS NOT NULL OR lost.node = e.node)
"""

# A read that returned (max, count) with count = max + 1 saw every marker up to max; any read saw its max. `farthest` is
# the most that complete reads saw which started at that instant or later, so that one ASOF join finds a witness.
WITNESS = """
CREATE OR REPLACE TEMP TABLE witness AS
SELECT writer, started, seen_max, seen_count FROM ops
WHERE service = $service AND kind = 'read' AND outcome = 'ok' AND seen_max IS NOT NULL
AND writer IN (SELECT writer FROM lost)
"""
FLICKER = """
CREATE OR REPLACE TEMP TABLE farthest AS
SELECT writer, started, max(seen) OVER (PARTITION BY writer ORDER BY started DESC) AS seen
FROM (SELECT writer, started, max(seen_max) AS seen FROM witness WHERE seen_count = seen_max + 1
      GROUP BY writer, started);
CREATE OR REPLACE TEMP TABLE seen AS
SELECT lost.read, lost.op FROM lost
ASOF JOIN farthest ON lost.writer = farthest.writer AND lost.ended < farthest.started
WHERE farthest.seen >= lost.seq
UNION
SELECT lost.read, lost.op FROM lost
JOIN (SELECT writer, seen_max, max(started) AS started FROM witness GROUP BY ALL) w
ON lost.writer = w.writer AND lost.seq = w.seen_max AND lost.ended < w.started;
UPDATE lost SET flicker = true FROM seen WHERE lost.read = seen.read AND lost.op = seen.op;
"""

DUAL = """
WITH firsts AS (
    SELECT timeline, min(ended) AS ended FROM ops
    WHERE service = $service AND kind = 'write' AND outcome = 'ok' AND timeline IS NOT NULL GROUP BY timeline),
newer AS (
    SELECT a.timeline, min(b.ended) AS ended FROM firsts a JOIN firsts b ON b.timeline > a.timeline GROUP BY a.timeline)
SELECT count(*), min(o.started), max(o.ended), min(newer.ended) FROM ops o JOIN newer ON o.timeline = newer.timeline
WHERE o.service = $service AND o.kind = 'write' AND o.outcome = 'ok' AND o.started > newer.ended
"""

BYTES = """
WITH gone AS (
    SELECT timeline, min(lsn) AS least, max(lsn) AS most FROM lost
    WHERE read = $read AND list_contains($groups, grp) AND lsn IS NOT NULL GROUP BY timeline)
SELECT sum(g.most - coalesce((
    SELECT max(o.lsn) FROM ops o WHERE o.service = $service AND o.kind = 'write' AND o.outcome = 'ok'
    AND o.timeline IS NOT DISTINCT FROM g.timeline AND o.lsn < g.least), g.least)) FROM gone g
"""
"""WAL from the last acknowledged write that was kept to the last one that was lost, timeline by timeline."""
