from datetime import datetime

from hypothesis import strategies as st

# comparing by the wall clock of one zone is wrong where clocks are put back; the true order is that of UTC
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=st.timezones())  # noqa: DTZ001 hypothesis adds the zone
