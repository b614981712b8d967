package engine

import "fmt"

// slotName is a tensor of the optimizer's state in a training state: PyTorch's name behind the slot's number.
func slotName(k int, name string) string { return fmt.Sprintf("optimizer.%d.%s", k, name) }

// TrainingState is what training goes on from: the model's tensors by state_dict name in PyTorch's layout, and the
// optimizer's state of each under optimizer.SLOT.NAME.
func (m *Model) TrainingState(o *Optimizer) (map[string][]float32, error) {
	state, err := m.State()
	if err != nil {
		return nil, err
	}
	slots, err := m.OptimizerState(o)
	if err != nil {
		return nil, err
	}
	for k, slot := range slots {
		for name, v := range slot {
			state[slotName(k, name)] = v
		}
	}
	return state, nil
}

// LoadTrainingState is the inverse of [Model.TrainingState]; further tensors are ignored, missing ones are errors.
// steps is the number of steps that the optimizer had taken.
func (m *Model) LoadTrainingState(o *Optimizer, tensors map[string][]float32, steps int) error {
	state := make(map[string][]float32, len(m.order))
	slots := make([]map[string][]float32, o.rule.Slots())
	for k := range slots {
		slots[k] = map[string][]float32{}
	}
	for _, s := range m.Specs() {
		if v, ok := tensors[s.Name]; ok {
			state[s.Name] = v
		}
		for k := range slots {
			if v, ok := tensors[slotName(k, s.Name)]; ok {
				slots[k][s.Name] = v
			}
		}
	}
	if err := m.Load(state); err != nil {
		return err
	}
	return m.LoadOptimizerState(o, slots, steps)
}
