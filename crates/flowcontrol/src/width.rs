//! How many seats a list takes.
// upstream: apiserver/pkg/util/flowcontrol/request/list_work_estimator.go

/// Objects that one seat stands for. upstream: config.go#objectsPerSeat
const OBJECTS_PER_SEAT: f64 = 100.0;
/// The most seats of one request. upstream: config.go#maximumSeatsLimit
const MOST: usize = 10;

/// What a list or the beginning of a watch goes through.
#[derive(Clone, Copy, Debug, Default)]
pub struct ListShape {
    /// Objects of the resource (in the namespace, when it is of one).
    pub stored: usize,
    /// The page's size; 0 for everything.
    pub limit: usize,
    /// Whether one object is selected by its name.
    pub by_name: bool,
}

/// The seats that a list takes, not more than a quarter of its level's `most`: one list cannot take a level for itself.
// upstream: list_work_estimator.go#listWorkEstimator.estimate, config.go#maxSeatsFor
#[must_use]
pub fn list_seats(shape: ListShape, most: usize) -> usize {
    let bound = (most * 3 / 20).clamp(1, MOST);
    if shape.by_name {
        return 1;
    }
    let objects = match shape.limit {
        0 => shape.stored,
        limit => limit.min(shape.stored),
    };
    let seats = (objects as f64 / OBJECTS_PER_SEAT).ceil() as usize;
    seats.clamp(1, bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_grow_with_the_objects_up_to_a_bound() {
        let of = |stored, limit| {
            list_seats(
                ListShape {
                    stored,
                    limit,
                    by_name: false,
                },
                600,
            )
        };
        assert_eq!(
            (of(0, 0), of(100, 0), of(101, 0), of(5000, 0)),
            (1, 1, 2, 10)
        );
        assert_eq!((of(5000, 500), of(300, 500)), (5, 3));
        assert_eq!(
            list_seats(
                ListShape {
                    stored: 5000,
                    limit: 0,
                    by_name: true
                },
                600
            ),
            1
        );
        assert_eq!(
            list_seats(
                ListShape {
                    stored: 5000,
                    limit: 0,
                    by_name: false
                },
                10
            ),
            1
        );
    }
}
