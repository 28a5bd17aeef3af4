-- Answers the sequence number of the room's newest event, as text.
local seq, _, ended = room()
if not ended then
  keep_for(ARGV[4])
end
return digits(seq)
