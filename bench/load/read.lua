-- Read videos by id: the ids are the lines of the file BENCH_IDS, asked for in turn.
local paths = {}
local turn = 0

function init(args)
  local headers = { ["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY") }
  for id in io.lines(os.getenv("BENCH_IDS")) do
    paths[#paths + 1] = wrk.format("GET", wrk.path .. "/" .. id, headers)
  end
end

function request()
  turn = turn % #paths + 1
  return paths[turn]
end

function done(summary, latency, requests)
  local bad = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    bad.status + bad.connect + bad.read + bad.write + bad.timeout,
    latency:percentile(50), latency:percentile(99)))
end
