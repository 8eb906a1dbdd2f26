-- Create videos: a handful of request bodies, sent in turn. The answer is read by bench/load.py.
local subjects = {
  "A serene lake at sunset with mountains in the background",
  "A bustling city street in the rain, neon signs mirrored in the puddles, camera moving slowly forward",
  "Aurora over a snowed-in forest",
  "Waves rolling in at golden hour, wide shot, slow pan to the right",
}
local bodies = {}
local turn = 0

function init(args)
  local headers = {
    ["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY"),
    ["Content-Type"] = "application/json",
  }
  for number, prompt in ipairs(subjects) do
    local body = string.format(
      '{"prompt": "%s", "duration": 5, "resolution": "1280x720", "model": "procedural-1", "metadata": {"shot": "%d"}}',
      prompt, number)
    bodies[number] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  turn = turn % #bodies + 1
  return bodies[turn]
end

function done(summary, latency, requests)
  local bad = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration,
    bad.status + bad.connect + bad.read + bad.write + bad.timeout,
    latency:percentile(50), latency:percentile(99)))
end
